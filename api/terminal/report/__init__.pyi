from .diff_pager import coloured as coloured
