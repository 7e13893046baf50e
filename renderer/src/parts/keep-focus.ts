/**
 * Focus is never lost to a person at the keyboard: what was focused gets it back once it is enabled again, and where it is
 * gone, the dialog or the view that is there now has it. Knows no view.
 */
export function keepFocus(body: HTMLElement): () => void {
  const page = body.ownerDocument;
  let last: HTMLElement | undefined;

  const onfocusin = ({ target }: FocusEvent): void => {
    if (target instanceof HTMLElement) last = target;
  };
  // A click beside everything gives focus up on purpose.
  const onpointerdown = (): void => {
    last = undefined;
  };
  const mend = (): void => {
    const { activeElement } = page;
    if (last === undefined || (activeElement !== null && activeElement !== body && activeElement !== last)) return;
    if (last.isConnected) {
      if (activeElement !== last && !last.matches(':disabled')) last.focus({ preventScroll: true });
    } else {
      const place = page.querySelector<HTMLElement>('dialog[open]') ?? page.getElementById('content');
      last = undefined;
      place?.focus({ preventScroll: true });
    }
  };

  page.addEventListener('focusin', onfocusin);
  page.addEventListener('pointerdown', onpointerdown);
  const observer = new MutationObserver(mend);
  observer.observe(body, { subtree: true, childList: true, attributes: true, attributeFilter: ['disabled'] });
  return () => {
    observer.disconnect();
    page.removeEventListener('focusin', onfocusin);
    page.removeEventListener('pointerdown', onpointerdown);
  };
}
