# From the loader's state (32-bit protected mode, paging off, flat segments) to 64-bit Rust.
#
# In: eax = the protocol's magic number (multiboot2) or anything (PVH), ebx = address of the loader's structure.
# What survives on the way: esi = magic, ebx = structure, ebp:edi = time stamp counter at the first instruction.
# Symbols are linked at IMAGE_BASE + physical address; before paging is on each one is named as `symbol - base`.

.section .text.wasmetal.boot_entry,"ax",@progbits
.code32
.globl "wasmetal.boot_entry"
.type "wasmetal.boot_entry",@function
"wasmetal.boot_entry":
    cli
    cld
    movl    %eax, %esi
    rdtsc
    movl    %eax, %edi
    movl    %edx, %ebp
    movl    $("wasmetal.boot_stack_top" - {IMAGE_BASE}), %esp

.Lrequire_long_mode:
    pushl   %ebx
    movl    $0x80000000, %eax
    cpuid
    cmpl    $0x80000001, %eax
    jb      .Lno_long_mode
    movl    $0x80000001, %eax
    cpuid
    andl    $0x20100000, %edx               # LM and NX
    cmpl    $0x20100000, %edx
    jne     .Lno_long_mode
    popl    %ebx

.Lmap_first_gib:                            # one page directory of 2 MiB pages, seen at three addresses
    pushl   %edi
    movl    $("wasmetal.boot_directory" - {IMAGE_BASE}), %edi
    movl    $0x83, %eax                     # present, writable, large
    movl    $512, %ecx
.Lnext_large_page:
    movl    %eax, (%edi)
    addl    $0x200000, %eax
    addl    $8, %edi
    decl    %ecx
    jnz     .Lnext_large_page
    popl    %edi

    movl    $("wasmetal.boot_directory" - {IMAGE_BASE} + 3), %eax
    movl    %eax, "wasmetal.boot_pointers" - {IMAGE_BASE}
    movl    %eax, "wasmetal.boot_pointers" - {IMAGE_BASE} + 510 * 8
    movl    $("wasmetal.boot_pointers" - {IMAGE_BASE} + 3), %eax
    movl    %eax, "wasmetal.boot_root" - {IMAGE_BASE}               # identity, until the jump below
    movl    %eax, "wasmetal.boot_root" - {IMAGE_BASE} + 256 * 8     # direct map
    movl    %eax, "wasmetal.boot_root" - {IMAGE_BASE} + 511 * 8     # the image

.Lenable_paging:
    movl    $("wasmetal.boot_root" - {IMAGE_BASE}), %eax
    movl    %eax, %cr3
    movl    %cr4, %eax
    orl     $0x6a0, %eax                    # PAE, PGE, OSFXSR, OSXMMEXCPT
    movl    %eax, %cr4
    movl    $0xc0000080, %ecx               # EFER
    rdmsr
    orl     $0x900, %eax                    # LME, NXE
    wrmsr
    movl    $0x80010033, %eax               # PG, WP, NE, ET, MP, PE
    movl    %eax, %cr0

.Lenter_long_mode:
    lgdt    "wasmetal.boot_gdt_pointer" - {IMAGE_BASE}
    ljmp    $8, $(.Llong_mode - {IMAGE_BASE})

.Lno_long_mode:                             # tell COM1 and stop
    movl    $(.Lno_long_mode_message - {IMAGE_BASE}), %esi
.Lnext_character:
    movl    $0x3fd, %edx
.Lserial_busy:
    inb     %dx, %al
    testb   $0x20, %al
    jz      .Lserial_busy
    lodsb   (%esi), %al
    testb   %al, %al
    jz      .Lstop
    movl    $0x3f8, %edx
    outb    %al, %dx
    jmp     .Lnext_character
.Lstop:
    hlt
    jmp     .Lstop

.code64
.Llong_mode:
    movabsq $.Lhigh_half, %rax
    jmpq    *%rax
.Lhigh_half:
    xorl    %eax, %eax
    movl    %eax, %ds
    movl    %eax, %es
    movl    %eax, %fs
    movl    %eax, %gs
    movl    %eax, %ss
    movl    %edi, %edx                      # boot_main(magic, structure, time stamp)
    shlq    $32, %rbp
    orq     %rbp, %rdx
    movl    %esi, %edi
    movl    %ebx, %esi
    leaq    "wasmetal.boot_stack_top"(%rip), %rsp
    ldmxcsr .Lmxcsr(%rip)
    xorl    %ebp, %ebp
    call    "wasmetal.boot_main"
    ud2
.size "wasmetal.boot_entry", . - "wasmetal.boot_entry"

.section .rodata.wasmetal.boot_entry,"a",@progbits
.balign 8
.Lboot_gdt:
    .quad   0
    .quad   0x00af9b000000ffff              # 64-bit code, already marked accessed: the table is read-only
.globl "wasmetal.boot_gdt_pointer"
"wasmetal.boot_gdt_pointer":
    .word   15
    .long   .Lboot_gdt - {IMAGE_BASE}
.balign 4
.Lmxcsr:
    .long   0x1f80                          # all floating-point exceptions masked, round to nearest
.Lno_long_mode_message:
    .asciz  "wasmetal: this CPU lacks long mode or no-execute pages\r\n"

.section .bss.wasmetal.boot_entry,"aw",@nobits
.balign 4096
"wasmetal.boot_root":
    .skip   4096
"wasmetal.boot_pointers":
    .skip   4096
"wasmetal.boot_directory":
    .skip   4096
.skip 16384
"wasmetal.boot_stack_top":

.text
