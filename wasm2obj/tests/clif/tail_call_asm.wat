;; wasm2obj --emit asm
(module
  (func $count (export "count") (param i64 i64) (result i64)
    local.get 0
    i64.eqz
    if
      local.get 1
      return
    end
    local.get 0
    i64.const 1
    i64.sub
    local.get 1
    i64.const 2
    i64.add
    return_call $count))

;; ;; function 0 count, body at 0x24
;;   pushq %rbp
;;   movq %rsp, %rbp
;; block0:
;;   testq %rdi, %rdi
;;   jnz     label2; j label1
;; block1:
;;   movq %rsi, %rax
;;   movq %rbp, %rsp
;;   popq %rbp
;;   retq
;; block2:
;;   movq %rsi, %rax
;;   subq $0x1, %rdi
;;   leaq 2(%rax), %rsi
;;   return_call_known [function 0 count] (0) tmp=%r11 %rdi=%rdi %rsi=%rsi
;;
