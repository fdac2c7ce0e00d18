from .choose_display import console_for as console_for
