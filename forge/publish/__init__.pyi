from .service import ForgePublisher as ForgePublisher
