// Text that is still arriving, cut into blocks.
import assert from "node:assert/strict"
import { test } from "node:test"
import { blocks, spans } from "../../static/helpers/draft_text.js"

test("blank lines part paragraphs", () => {
  assert.deepEqual(blocks("one\ntwo\n\n\nthree"), [{ code: false, text: "one\ntwo" }, { code: false, text: "three" }])
})

test("a fence holds code together, also while it is still open", () => {
  assert.deepEqual(blocks("so:\n```py\na = 1\n\nb"), [{ code: false, text: "so:" }, { code: true, text: "a = 1\n\nb" }])
  assert.deepEqual(blocks("```\nx\n```\nafter"), [{ code: true, text: "x" }, { code: false, text: "after" }])
})

test("nothing yet is no block", () => assert.deepEqual(blocks("\n "), []))

test("bold and code are seen before they are closed", () => {
  assert.deepEqual(spans("**Demo:** and `x`"), [["strong", "Demo:"], ["", " and "], ["code", "x"]])
  assert.deepEqual(spans("so **Demo: no"), [["", "so "], ["strong", "Demo: no"]])
  assert.deepEqual(spans("**Demo*"), [["strong", "Demo"]])
  assert.deepEqual(spans("run `make"), [["", "run "], ["code", "make"]])
})

test("a star that opens nothing stays", () => assert.deepEqual(spans("2 ** 3 and 4*5"), [["", "2 ** 3 and 4*5"]]))
