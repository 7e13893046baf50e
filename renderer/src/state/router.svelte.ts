/** Which view the window shows, kept in the address's fragment, so that back and forward work. */
export const sections = [
  'home',
  'peers',
  'datasets',
  'jobs',
  'runs',
  'insights',
  'vault',
  'activity',
  'settings',
] as const;
export type Section = (typeof sections)[number];

export interface Route {
  readonly section: Section;
  /** Of what the section shows, when it shows one thing. */
  readonly id: string | undefined;
}

function parse(hash: string): Route {
  const [name, id] = hash.replace(/^#\/?/, '').split('/');
  const section = sections.find((one) => one === name) ?? 'home';
  return { section, id: id === undefined || id === '' ? undefined : decodeURIComponent(id) };
}

export const href = (section: Section, id?: string): string =>
  id === undefined ? `#/${section}` : `#/${section}/${encodeURIComponent(id)}`;

export class Router {
  route = $state<Route>(parse(location.hash));

  constructor() {
    addEventListener('hashchange', () => {
      this.route = parse(location.hash);
    });
  }

  go(section: Section, id?: string): void {
    location.hash = href(section, id);
  }
}
