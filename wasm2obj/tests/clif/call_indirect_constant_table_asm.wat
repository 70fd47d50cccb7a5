;; wasm2obj --emit asm
(module
  (type $binary (func (param i32 i32) (result i32)))
  (table 2 2 funcref)
  (elem (i32.const 0) $add $sub)
  (func $add (type $binary)
    local.get 0
    local.get 1
    i32.add)
  (func $sub (type $binary)
    local.get 0
    local.get 1
    i32.sub)
  (func (export "call") (param i32) (result i32)
    i32.const 10
    i32.const 3
    local.get 0
    call_indirect (type $binary)))

;; ;; function 0 add, body at 0x3b
;;   pushq %rbp
;;   movq %rsp, %rbp
;; block0:
;;   leal (%rdi, %rsi), %eax
;;   movq %rbp, %rsp
;;   popq %rbp
;;   retq
;;
;; ;; function 1 sub, body at 0x43
;;   pushq %rbp
;;   movq %rsp, %rbp
;; block0:
;;   movq %rdi, %rax
;;   subl %esi, %eax
;;   movq %rbp, %rsp
;;   popq %rbp
;;   retq
;;
;; ;; function 2 call, body at 0x4b
;;   pushq %rbp
;;   movq %rsp, %rbp
;; block0:
;;   movl %edi, %edi
;;   cmpq $0x2, %rdi
;;   jnb #trap: undefined element: out of bounds table access
;;   load_ext_name [code addresses of table 0]+0, %r9
;;   movq (%r9, %rdi, 8), %r9
;;   movl $0xa, %edi
;;   movl $0x3, %esi
;;   call    *%r9
;;   movq %rbp, %rsp
;;   popq %rbp
;;   retq
;;
