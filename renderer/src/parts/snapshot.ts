/**
 * What stands on the page now, as one self-contained file: no scripts, nothing loaded, light and dark as on the page. Canvases
 * become pictures, controls that only work with a program are left out.
 */

/** The HTML text of a page that holds a copy of `part`. */
export function pageSnapshot(part: HTMLElement, title: string): string {
  const copy = part.cloneNode(true) as HTMLElement;
  const drawn = part.querySelectorAll('canvas');
  copy.querySelectorAll('canvas').forEach((canvas, i) => {
    const picture = document.createElement('img');
    picture.src = drawn[i]?.toDataURL('image/png') ?? '';
    picture.alt = '';
    picture.style.cssText = canvas.style.cssText;
    canvas.replaceWith(picture);
  });
  for (const control of copy.querySelectorAll('select, input, [role="group"] > button')) control.remove();
  for (const details of copy.querySelectorAll('details')) details.open = true;
  const heading = document.createElement('h1');
  heading.textContent = title;
  const { lang, dataset } = document.documentElement;
  const theme = dataset['theme'] === undefined ? '' : ` data-theme="${dataset['theme']}"`;
  // Written as text: a document made here would be under this page's policy, which allows no inline style.
  return `<!doctype html>
<html lang="${lang}"${theme}>
<head>
<meta charset="utf-8" />
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:" />
<title>${heading.innerHTML}</title>
<style>
${pageStyles()}
body { overflow: auto; padding: 1.5rem; }
.scroll, .graph { max-height: none !important; }
</style>
</head>
<body><main>${heading.outerHTML}${copy.outerHTML}</main></body>
</html>`;
}

/** All rules of the page's own style sheets. */
function pageStyles(): string {
  return [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules].map(({ cssText }) => cssText)).join('\n');
}
