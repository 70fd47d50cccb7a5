# The multiboot2 header, which a loader looks for in the first 32 KiB of the file (specification section 3.1).

.section .multiboot2,"a",@progbits
.balign 8
.Lheader:
    .long   0xe85250d6                      # magic
    .long   0                               # architecture: i386, protected mode
    .long   .Lheader_end - .Lheader
    .long   -(0xe85250d6 + (.Lheader_end - .Lheader))

.Lentry_address_tag:                        # the ELF header's entry is a virtual address; this one is physical
    .word   3
    .word   0
    .long   12
    .long   "wasmetal.boot_entry" - {IMAGE_BASE}
    .balign 8

.Lend_tag:
    .word   0
    .word   0
    .long   8
.Lheader_end:

.text
