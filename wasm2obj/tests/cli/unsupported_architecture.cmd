$ wasm2obj add.wat --target riscv64gc-unknown-none-elf
status 2
