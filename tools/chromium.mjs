// Unpacks the Chromium of the npm package @sparticuz/chromium, installed below the folder of the first argument, into TMPDIR.
// The package is made for AWS Lambda, so its start flags and its detection of missing libraries are not used here.

import { writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(join(resolve(process.argv[2]), "package.json"));
const entry = require.resolve("@sparticuz/chromium");
const { inflate } = await import(pathToFileURL(entry));

// Chromium, the libraries that are missing on a machine without a desktop, and a font.
for (const file of ["chromium.br", "al2023.tar.br", "fonts.tar.br"]) {
  await inflate(join(dirname(entry), "..", "bin", file));
}

// Only the package's font is used, so that a page looks the same on every machine.
const fonts = '<?xml version="1.0"?><fontconfig><dir prefix="relative">fonts</dir></fontconfig>\n';
await writeFile(join(tmpdir(), "fonts.conf"), fonts);
