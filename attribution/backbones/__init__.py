"""Further models by name (`--backbone`): their spec, weights, timm, TorchScript and OpenCLIP."""
