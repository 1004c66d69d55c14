"""What the papers know of a model family: the names of its parts and its knobs.

segformer              the paper's knobs on SegFormer, as lists of edits
segformer_names        from Hugging Face's module paths to the papers' words
segformer_sizes        B0 to B5 in numbers
segformer_ade20k       the paper's B2 family on ADE20K, with and without B1 and B0, no weights
segformer_checkpoint   a pretrained SegFormer from its folder (needs the extra `export`)
segformer_export       its ONNX graph in the papers' words (needs the extra `export`)
ofa_space              once-for-all ResNets: depths, expansions, widths, image sizes
ofa_plan               their layers, with the names in checkpoints and here
ofa_resnet50           a supernet as a graph, its subnets as lists of edits
ofa_graph              any such network as an ONNX graph, straight from weights
ofa_checkpoint         weights from a file, checked key by key
ofa_specialised        released networks with weights of their own
ofa_subnets            which subnets an import takes
ofa_cost               multiply-accumulates of a subnet, exactly, without its graph
ofa_space_file         space.json beside a supernet
hub                    a checkpoint and its licence by the model's name (needs the extra `export`)
licence                what a model card says of the terms
"""
