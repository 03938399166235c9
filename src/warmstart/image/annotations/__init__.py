"""Labelled photos for detection and segmentation, from the layouts that people have; every fault is listed.

boxes   `read_boxes`, which finds out the layout
voc, coco, yolo, labelme, table   one layout a file
collector   `BoxData`, which they are read into, and the checks that they share
masks   `read_masks`: photos with a picture of classes each
mask_layouts   which layout it is
mask_files   which mask belongs to which photo
mask_classes   files that name the classes of masks, or their colours
mask_values   what the values of masks mean
parts, part_lists   photos to train on, to validate and to test
polygons   polygons and run lengths to masks
"""
