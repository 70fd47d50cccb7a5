;; wasm2obj --emit clif
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
;; function u0:0(i32, i32) -> i32 tail {
;;                                 block0(v0: i32, v1: i32):
;;                                     ;; i32.add
;; @0040                               v2 = iadd v0, v1
;;                                     ;; end
;; @0041                               return v2
;; }
;;
;; ;; function 1 sub, body at 0x43
;; function u0:1(i32, i32) -> i32 tail {
;;                                 block0(v0: i32, v1: i32):
;;                                     ;; i32.sub
;; @0048                               v2 = isub v0, v1
;;                                     ;; end
;; @0049                               return v2
;; }
;;
;; ;; function 2 call, body at 0x4b
;; function u0:2(i32) -> i32 tail {
;;     gv0 = symbol colocated userextname0          ;; code addresses of table 0
;;     sig0 = (i32, i32) -> i32 tail
;;
;;                                 block0(v0: i32):
;;                                     ;; i32.const
;; @004c                               v1 = iconst.i32 10
;;                                     ;; i32.const
;; @004e                               v2 = iconst.i32 3
;;                                     ;; call_indirect
;; @0052                               v3 = uextend.i64 v0
;; @0052                               v4 = iconst.i64 2
;; @0052                               v5 = icmp uge v3, v4  ; v4 = 2
;; @0052                               trapnz v5, user3                             ;; traps: undefined element: out of bounds table access
;; @0052                               v6 = symbol_value.i64 gv0
;; @0052                               v7 = iconst.i64 3
;; @0052                               v8 = ishl v3, v7  ; v7 = 3
;; @0052                               v9 = iadd v6, v8
;; @0052                               v10 = load.i64 notrap aligned readonly can_move little v9
;; @0052                               v11 = call_indirect sig0, v10(v1, v2)  ; v1 = 10, v2 = 3
;;                                     ;; end
;; @0055                               return v11
;; }
;;
