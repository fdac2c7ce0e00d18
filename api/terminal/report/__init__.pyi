from .diff_pager import colour_line as colour_line
