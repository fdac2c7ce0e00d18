from .write_fence import WriteFence as WriteFence
