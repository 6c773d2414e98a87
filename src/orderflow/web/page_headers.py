"""What browsers are told about every page of ours."""


def page_headers(policy: str, *, referrer: str = "no-referrer") -> dict[str, str]:
    """The headers of a page with this Content-Security-Policy. `referrer` is its Referrer-Policy."""
    return {
        "Content-Security-Policy": policy,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": referrer,
        # For browsers that do not know frame-ancestors.
        "X-Frame-Options": "DENY",
    }
