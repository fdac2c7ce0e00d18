from .kingfisher import SecretCatalogue as SecretCatalogue
