"""Groups of settings, each about one service or subject; `settings` joins them."""
