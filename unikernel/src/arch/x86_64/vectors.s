# Where exceptions and interrupts arrive. Stubs are 16 bytes apart; idt.rs computes their addresses.

.section .text.wasmetal.exceptions,"ax",@progbits
.globl "wasmetal.exception_stubs"
.balign 16
"wasmetal.exception_stubs":
.set vector, 0
.rept 32
    .balign 16
    .if (0x60227d00 >> vector) & 1          # 8, 10 to 14, 17, 21, 29, 30: the CPU has pushed an error code
    .else
    pushq   $0
    .endif
    pushq   $vector
    jmp     .Lexception
    .set vector, vector + 1
.endr

.Lexception:                                # builds an ExceptionFrame (exceptions.rs) and never comes back
    pushq   %r15
    pushq   %r14
    pushq   %r13
    pushq   %r12
    pushq   %r11
    pushq   %r10
    pushq   %r9
    pushq   %r8
    pushq   %rbp
    pushq   %rdi
    pushq   %rsi
    pushq   %rdx
    pushq   %rcx
    pushq   %rbx
    pushq   %rax
    cld
    movq    %rsp, %rdi
    xorl    %ebp, %ebp
    andq    $-16, %rsp
    call    "wasmetal.handle_exception"
    ud2

.section .text.wasmetal.interrupts,"ax",@progbits
.globl "wasmetal.interrupt_stubs"
.balign 16
"wasmetal.interrupt_stubs":
.set vector, 0
.rept 32
    .balign 16
    btsl    $vector, "wasmetal.pending_interrupts"(%rip)
    jmp     .Lend_of_interrupt
    .set vector, vector + 1
.endr

.Lend_of_interrupt:                         # the flags are restored by iretq
    pushq   %rax
    movq    "wasmetal.end_of_interrupt_register"(%rip), %rax
    movl    $0, (%rax)
    popq    %rax
    iretq

.text
