"""Settings of glibc's memory allocator for training on a CPU, which a process reads when it starts.

A step of a search allocates and frees some gigabytes in thousands of tensors. By default glibc returns freed memory to
the kernel and requests it again, and the kernel clears it in pages of 4 KiB: 90,000 page faults per step. With these
settings freed memory is kept for the next step, in pages of 2 MiB where the kernel grants them. Peak memory does not
change. Systems without glibc ignore the variable.
"""

TUNABLES = ":".join(
    (
        "glibc.malloc.hugetlb=1",  # ask for large pages
        "glibc.malloc.mmap_threshold=33554432",  # the maximum: smaller allocations come from the heap
        "glibc.malloc.trim_threshold=17179869184",  # freed memory is kept
        "glibc.malloc.top_pad=268435456",  # growth of the heap; pages that are not touched take no memory
    )
)
VARIABLE = "GLIBC_TUNABLES"  # environment variable; a value set by the user takes precedence
