from .opening import TAKEN as TAKEN
