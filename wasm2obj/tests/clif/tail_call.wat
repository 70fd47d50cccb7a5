;; wasm2obj --emit clif
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
;; function u0:0(i64, i64) -> i64 tail {
;;     sig0 = (i64, i64) -> i64 tail
;;     fn0 = colocated u0:0 sig0                    ;; function 0 count
;;
;;                                 block0(v0: i64, v1: i64):
;;                                     ;; if
;; @0028                               brif v0, block2, block1
;;
;;                                 block1:
;;                                     ;; return
;; @002c                               return v1
;;
;;                                 block2:
;;                                     ;; i64.const
;; @0030                               v2 = iconst.i64 1
;;                                     ;; i64.sub
;; @0032                               v3 = isub.i64 v0, v2  ; v2 = 1
;;                                     ;; i64.const
;; @0035                               v4 = iconst.i64 2
;;                                     ;; i64.add
;; @0037                               v5 = iadd.i64 v1, v4  ; v4 = 2
;;                                     ;; return_call
;; @0038                               return_call fn0(v3, v5)
;; }
;;
