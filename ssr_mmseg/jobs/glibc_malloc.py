"""How a training on a CPU gets its memory: by glibc's settings, which a process reads when it starts.

A step of a search allocates and frees some gigabytes in thousands of tensors. Left to itself, glibc gives freed memory
back and asks for it anew, and the kernel clears it again in pages of 4 KiB: 90,000 page faults a step. Here freed
memory stays for the next step, in pages of 2 MiB where the kernel grants them. Peak memory stays the same. Systems
without glibc ignore it.
"""

TUNABLES = ":".join(
    (
        "glibc.malloc.hugetlb=1",  # ask for large pages
        "glibc.malloc.mmap_threshold=33554432",  # the largest that is allowed: below it, memory comes from the heap
        "glibc.malloc.trim_threshold=17179869184",  # freed memory is kept
        "glibc.malloc.top_pad=268435456",  # the heap grows by so much at a time; what is not touched takes no memory
    )
)
VARIABLE = "GLIBC_TUNABLES"  # of the environment; what the user has set there counts
