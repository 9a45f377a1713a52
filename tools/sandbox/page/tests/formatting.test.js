import assert from "node:assert/strict";
import { test } from "node:test";
import { parse, plain } from "../formatting.js";

test("marks around words format them", () => {
  assert.deepEqual(parse("*bold* _it_ ~gone~"), [
    { tag: "strong", parts: ["bold"] },
    " ",
    { tag: "em", parts: ["it"] },
    " ",
    { tag: "s", parts: ["gone"] },
  ]);
  assert.deepEqual(parse("*a _b_*"), [{ tag: "strong", parts: ["a ", { tag: "em", parts: ["b"] }] }]);
});

test("marks inside of words, beside spaces and over lines stay", () => {
  for (const text of ["2*3*4", "snake_case_name", "* a *", "*a\nb*", "**", "a ~ b ~"]) assert.deepEqual(parse(text), [text]);
});

test("code has no other formatting", () => {
  assert.deepEqual(parse("```a *b*\nc```"), [{ tag: "code", parts: ["a *b*\nc"] }]);
  assert.deepEqual(parse("`x_y_`!"), [{ tag: "code", parts: ["x_y_"] }, "!"]);
});

test("a link ends before the punctuation of its sentence", () => {
  assert.deepEqual(parse("See https://example.com/a_b_c?d=1."), [
    "See ",
    { href: "https://example.com/a_b_c?d=1", text: "https://example.com/a_b_c?d=1" },
    ".",
  ]);
  assert.deepEqual(parse("(www.example.com)")[1], { href: "https://www.example.com", text: "www.example.com" });
  assert.deepEqual(parse("https://"), ["https://"]);
});

test("only links to web pages are links", () => {
  for (const text of ["javascript:alert(1)", "data:text/html,x", "<a href='https:'>"]) assert.deepEqual(parse(text), [text]);
});

test("a long text of marks is read at once", () => {
  assert.equal(plain("*".repeat(4096)), "*".repeat(4096));
});

test("one line has no marks", () => {
  assert.equal(plain("*Hi* `x` _you_ https://example.com"), "Hi x you https://example.com");
});
