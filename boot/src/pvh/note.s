# The ELF note by which PVH loaders find the 32-bit entry: XEN_ELFNOTE_PHYS32_ENTRY.

.section .note.pvh,"a",@note
.balign 4
    .long   4                               # length of the name
    .long   8                               # length of the value: loaders of ELF64 files read eight bytes
    .long   18                              # XEN_ELFNOTE_PHYS32_ENTRY
    .asciz  "Xen"
    .long   "wasmetal.boot_entry" - {IMAGE_BASE}
    .long   0

.text
