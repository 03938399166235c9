"""Metrics of detection and segmentation."""
