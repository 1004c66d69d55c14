"""What the papers know of a model family: the names of its parts and its knobs.

segformer              the paper's knobs on SegFormer, as lists of edits
segformer_names        from Hugging Face's module paths to the papers' words
segformer_checkpoint   a pretrained SegFormer from its folder (needs the extra `export`)
"""
