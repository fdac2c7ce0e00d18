from .write_fence import Fence as Fence
