"""One polite, guarded download: SSRF guard, redirects, limits, opt-outs, pace."""
