# memcpy, memmove (also the builtin memory_copy), memset (also memory_fill), memcmp, bcmp, strlen. System V convention.
#
# Up to 32 bytes are moved by overlapping loads and stores: everything is loaded before anything is stored, so the order does
# not matter. Longer areas go 64 bytes at a time through SSE registers, with the first or last 64 bytes kept aside where areas
# may overlap. Unaligned moves cost nothing that aligning first would win back.

.section .text.memcpy,"ax",@progbits
.globl memcpy, memmove, "wasmetal.memory_copy"
.type memcpy,@function
.type memmove,@function
.type "wasmetal.memory_copy",@function
.balign 16
memcpy:
memmove:
"wasmetal.memory_copy":
    movq    %rdi, %rax
    cmpq    $16, %rdx
    jb      .Lcopy_below_16
    cmpq    $32, %rdx
    ja      .Lcopy_above_32
    movups  (%rsi), %xmm0
    movups  -16(%rsi,%rdx), %xmm1
    movups  %xmm0, (%rdi)
    movups  %xmm1, -16(%rdi,%rdx)
    ret
.Lcopy_below_16:
    cmpl    $8, %edx
    jb      .Lcopy_below_8
    movq    (%rsi), %rcx
    movq    -8(%rsi,%rdx), %r8
    movq    %rcx, (%rdi)
    movq    %r8, -8(%rdi,%rdx)
    ret
.Lcopy_below_8:
    cmpl    $4, %edx
    jb      .Lcopy_below_4
    movl    (%rsi), %ecx
    movl    -4(%rsi,%rdx), %r8d
    movl    %ecx, (%rdi)
    movl    %r8d, -4(%rdi,%rdx)
    ret
.Lcopy_below_4:
    testl   %edx, %edx
    jz      .Lcopy_done
    movzbl  (%rsi), %ecx
    cmpl    $1, %edx
    je      .Lcopy_one
    movzwl  -2(%rsi,%rdx), %r8d
    movw    %r8w, -2(%rdi,%rdx)
.Lcopy_one:
    movb    %cl, (%rdi)
.Lcopy_done:
    ret

.Lcopy_above_32:
    movq    %rdi, %rcx
    subq    %rsi, %rcx                      # destination - source, unsigned
    jz      .Lcopy_done
    cmpq    %rdx, %rcx
    jb      .Lcopy_backward
    movups  -32(%rsi,%rdx), %xmm4           # the last 32 bytes, before they can be overwritten
    movups  -16(%rsi,%rdx), %xmm5
    leaq    (%rdi,%rdx), %r8                # end of the destination
    subq    $64, %rdx
    jb      .Lforward_rest
.Lforward_64:
    movups  (%rsi), %xmm0
    movups  16(%rsi), %xmm1
    movups  32(%rsi), %xmm2
    movups  48(%rsi), %xmm3
    movups  %xmm0, (%rdi)
    movups  %xmm1, 16(%rdi)
    movups  %xmm2, 32(%rdi)
    movups  %xmm3, 48(%rdi)
    addq    $64, %rsi
    addq    $64, %rdi
    subq    $64, %rdx
    jae     .Lforward_64
.Lforward_rest:
    addq    $64, %rdx                       # 0 to 63 bytes are left
    cmpq    $32, %rdx
    jbe     .Lforward_last_32
    movups  (%rsi), %xmm0
    movups  16(%rsi), %xmm1
    movups  %xmm0, (%rdi)
    movups  %xmm1, 16(%rdi)
.Lforward_last_32:
    movups  %xmm4, -32(%r8)
    movups  %xmm5, -16(%r8)
    ret

.Lcopy_backward:
    movups  (%rsi), %xmm4                   # the first 32 bytes, before they can be overwritten
    movups  16(%rsi), %xmm5
    subq    $64, %rdx
    jb      .Lbackward_rest
.Lbackward_64:
    movups  48(%rsi,%rdx), %xmm0
    movups  32(%rsi,%rdx), %xmm1
    movups  16(%rsi,%rdx), %xmm2
    movups  (%rsi,%rdx), %xmm3
    movups  %xmm0, 48(%rdi,%rdx)
    movups  %xmm1, 32(%rdi,%rdx)
    movups  %xmm2, 16(%rdi,%rdx)
    movups  %xmm3, (%rdi,%rdx)
    subq    $64, %rdx
    jae     .Lbackward_64
.Lbackward_rest:
    addq    $64, %rdx
    cmpq    $32, %rdx
    jbe     .Lbackward_first_32
    movups  -16(%rsi,%rdx), %xmm0
    movups  -32(%rsi,%rdx), %xmm1
    movups  %xmm0, -16(%rdi,%rdx)
    movups  %xmm1, -32(%rdi,%rdx)
.Lbackward_first_32:
    movups  %xmm4, (%rdi)
    movups  %xmm5, 16(%rdi)
    ret
.size memcpy, . - memcpy

.section .text.memset,"ax",@progbits
.globl memset, "wasmetal.memory_fill"
.type memset,@function
.type "wasmetal.memory_fill",@function
.balign 16
memset:
"wasmetal.memory_fill":
    movq    %rdi, %rax
    movzbl  %sil, %esi
    movabsq $0x0101010101010101, %rcx
    imulq   %rsi, %rcx
    cmpq    $16, %rdx
    jb      .Lfill_below_16
    movq    %rcx, %xmm0
    punpcklqdq %xmm0, %xmm0
    leaq    (%rdi,%rdx), %r8                # end of the area
    cmpq    $64, %rdx
    jb      .Lfill_below_64
.Lfill_64:
    movups  %xmm0, (%rdi)
    movups  %xmm0, 16(%rdi)
    movups  %xmm0, 32(%rdi)
    movups  %xmm0, 48(%rdi)
    addq    $64, %rdi
    subq    $64, %rdx
    cmpq    $64, %rdx
    jae     .Lfill_64
    movups  %xmm0, -64(%r8)                 # overlaps what is filled already
    movups  %xmm0, -48(%r8)
    movups  %xmm0, -32(%r8)
    movups  %xmm0, -16(%r8)
    ret
.Lfill_below_64:
    movups  %xmm0, (%rdi)
    movups  %xmm0, -16(%r8)
    cmpq    $32, %rdx
    jbe     .Lfill_done
    movups  %xmm0, 16(%rdi)
    movups  %xmm0, -32(%r8)
    ret
.Lfill_below_16:
    cmpl    $8, %edx
    jb      .Lfill_below_8
    movq    %rcx, (%rdi)
    movq    %rcx, -8(%rdi,%rdx)
    ret
.Lfill_below_8:
    cmpl    $4, %edx
    jb      .Lfill_below_4
    movl    %ecx, (%rdi)
    movl    %ecx, -4(%rdi,%rdx)
    ret
.Lfill_below_4:
    testl   %edx, %edx
    jz      .Lfill_done
    movb    %cl, (%rdi)
    cmpl    $1, %edx
    je      .Lfill_done
    movw    %cx, -2(%rdi,%rdx)
.Lfill_done:
    ret
.size memset, . - memset

.section .text.memcmp,"ax",@progbits
.globl memcmp, bcmp
.type memcmp,@function
.type bcmp,@function
.balign 16
memcmp:
bcmp:
    subq    $8, %rdx
    jb      .Lcompare_bytes
.Lcompare_8:
    movq    (%rdi), %rax
    movq    (%rsi), %rcx
    cmpq    %rcx, %rax
    jne     .Lcompare_differ
    addq    $8, %rdi
    addq    $8, %rsi
    subq    $8, %rdx
    jae     .Lcompare_8
.Lcompare_bytes:
    addq    $8, %rdx
    jz      .Lcompare_equal
.Lcompare_byte:
    movzbl  (%rdi), %eax
    movzbl  (%rsi), %ecx
    subl    %ecx, %eax
    jne     .Lcompare_done
    incq    %rdi
    incq    %rsi
    decq    %rdx
    jnz     .Lcompare_byte
.Lcompare_equal:
    xorl    %eax, %eax
.Lcompare_done:
    ret
.Lcompare_differ:                           # the first byte in memory decides
    bswapq  %rax
    bswapq  %rcx
    cmpq    %rcx, %rax
    sbbl    %eax, %eax
    orl     $1, %eax
    ret
.size memcmp, . - memcmp

.section .text.strlen,"ax",@progbits
.globl strlen
.type strlen,@function
strlen:
    movq    $-1, %rax
.Lnext_byte:
    incq    %rax
    cmpb    $0, (%rdi,%rax)
    jne     .Lnext_byte
    ret
.size strlen, . - strlen

.text
