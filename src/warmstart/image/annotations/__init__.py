"""Annotated photos for detection and segmentation, in many layouts.

boxes   `read_boxes`, which detects the layout
voc, coco, yolo, labelme, table   one layout per module
collector   the checks that all of them have in common
masks   `read_masks`, for photos with masks
mask_layouts   detects the layout
mask_files   matches masks with photos
mask_classes   files with the names or colours of the classes of masks
mask_values   the meaning of the values of masks
splits, split_lists   the photos for training, validation and testing
polygons   masks from polygons and run lengths
"""
