//! The symbols that the linker defines in an image, so that the kernel's unit tests link without one. Nothing reads them.

use core::arch::global_asm;

global_asm!(
    ".section .data.test_image,\"aw\",@progbits",
    ".globl \"wasmetal.module\", \"wasmetal.configuration\", \"wasmetal.configuration.end\"",
    ".globl \"wasmetal.baked_tree\", \"wasmetal.baked_tree.end\"",
    ".globl \"wasmetal.image.rodata_start\", \"wasmetal.image.rodata_end\"",
    ".globl \"wasmetal.image.text_start\", \"wasmetal.image.text_end\"",
    ".globl \"wasmetal.image.data_start\", \"wasmetal.image.data_end\"",
    ".balign 8",
    "\"wasmetal.module\":",
    "\"wasmetal.configuration\":",
    "\"wasmetal.configuration.end\":",
    "\"wasmetal.baked_tree\":",
    "\"wasmetal.baked_tree.end\":",
    "\"wasmetal.image.rodata_start\":",
    "\"wasmetal.image.rodata_end\":",
    "\"wasmetal.image.text_start\":",
    "\"wasmetal.image.text_end\":",
    "\"wasmetal.image.data_start\":",
    "\"wasmetal.image.data_end\":",
    ".skip 256",
    ".text",
);
