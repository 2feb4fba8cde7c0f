"""The Python interface: trained networks from files (`ssr_mmseg.load`), on images and with a stopwatch.

`ssr_mmseg/__init__.py` lists the whole public surface, of which the building blocks of a search live elsewhere.
"""
