"""SegFormer."""
