;; wasm2obj --emit asm
(module
  (memory 1)
  (func (export "load") (result i32)
    i32.const 0
    i32.load)
  (func (export "store") (param i32)
    i32.const 0
    local.get 0
    i32.store))

;; ;; function 0 load, body at 0x33
;;   pushq %rbp
;;   movq %rsp, %rbp
;; block0:
;;   uninit  %rdx
;;   xorq %rdx, %rdx
;;   movl (%rdx), %eax
;;   movq %rbp, %rsp
;;   popq %rbp
;;   retq
;;
;; ;; function 1 store, body at 0x3b
;;   pushq %rbp
;;   movq %rsp, %rbp
;; block0:
;;   uninit  %rsi
;;   xorq %rsi, %rsi
;;   movl %edi, (%rsi)
;;   movq %rbp, %rsp
;;   popq %rbp
;;   retq
;;
