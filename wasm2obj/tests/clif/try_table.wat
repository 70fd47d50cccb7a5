;; wasm2obj --emit clif
(module
  (tag $error (param i32))
  (func $fail (param i32)
    local.get 0
    throw $error)
  (func (export "catch") (param i32) (result i32)
    block $handler (result i32)
      try_table (catch $error $handler)
        local.get 0
        call $fail
      end
      i32.const 0
    end))

;; ;; function 0 fail, body at 0x2d
;; function u0:0(i32) tail {
;;     gv0 = symbol colocated userextname0          ;; tag 0
;;     sig0 = (i64, i64) -> i64 system_v
;;     sig1 = (i64) tail
;;     fn0 = colocated u255:8 sig0                  ;; wasmetal.exception_new
;;     fn1 = colocated u255:10 sig1                 ;; wasmetal.throw
;;
;;                                 block0(v0: i32):
;;                                     ;; throw
;; @0030                               v1 = symbol_value.i64 gv0
;; @0030                               v2 = iconst.i64 1
;; @0030                               v3 = call fn0(v1, v2)  ; v2 = 1
;; @0030                               trapz v3, user17                             ;; traps: allocation size too large
;; @0030                               store notrap aligned little v0, v3+16
;; @0030                               call fn1(v3)
;; @0030                               trap user14                                  ;; traps: uncaught exception
;; }
;;
;; ;; function 1 catch, body at 0x34
;; function u0:1(i32) -> i32 tail {
;;     sig0 = (i32) tail
;;     sig1 = (i64) system_v
;;     fn0 = colocated u0:0 sig0                    ;; function 0 fail
;;     fn1 = colocated u255:9 sig1                  ;; wasmetal.exception_drop
;;
;;                                 block0(v0: i32):
;;                                     ;; call
;; @003f                               try_call fn0(v0), sig0, block2, [ tag0: block1(exn0) ]
;;
;;                                 block2:
;;                                     ;; end
;; @0041                               jump block3
;;
;;                                 block1(v1: i64) cold:
;; @0041                               v2 = load.i32 notrap aligned little v1+16
;; @0041                               call fn1(v1)
;; @0041                               jump block4(v2)
;;
;;                                 block3:
;;                                     ;; i32.const
;; @0042                               v4 = iconst.i32 0
;;                                     ;; end
;; @0044                               jump block4(v4)  ; v4 = 0
;;
;;                                 block4(v3: i32):
;;                                     ;; end
;; @0045                               return v3
;; }
;;
