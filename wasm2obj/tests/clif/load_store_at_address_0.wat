;; wasm2obj --emit clif
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
;; function u0:0() -> i32 tail {
;;                                 block0:
;;                                     ;; i32.const
;; @0034                               v0 = iconst.i32 0
;;                                     ;; i32.load
;; @0036                               v1 = iconst.i64 0
;; @0036                               v2 = load.i32 user2 little v1  ; v1 = 0      ;; traps: out of bounds memory access
;;                                     ;; end
;; @0039                               return v2
;; }
;;
;; ;; function 1 store, body at 0x3b
;; function u0:1(i32) tail {
;;                                 block0(v0: i32):
;;                                     ;; i32.const
;; @003c                               v1 = iconst.i32 0
;;                                     ;; i32.store
;; @0040                               v2 = iconst.i64 0
;; @0040                               store user2 little v0, v2  ; v2 = 0          ;; traps: out of bounds memory access
;;                                     ;; end
;; @0043                               return
;; }
;;
