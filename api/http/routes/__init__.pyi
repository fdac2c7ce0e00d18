from .sse import StreamTimes as StreamTimes
