"""Images: classification, object detection, segmentation."""
