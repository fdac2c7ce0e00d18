from .model_name import ModelName as ModelName
