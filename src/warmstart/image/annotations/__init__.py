"""Labelled photos for detection and segmentation, from the layouts that people have; every fault is listed.

boxes   `read_boxes`, which finds out the layout
voc, coco, yolo, table   one layout a file
collecting   `BoxData`, which they are read into, and the checks that they share
masks   photos with a picture of classes each
shapes  polygons and run lengths to masks
"""
