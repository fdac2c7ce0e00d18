from .safe_text import clean as clean
from .safe_text import clean_line as clean_line
