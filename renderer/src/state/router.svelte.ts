/** Which view the window shows, kept in the address's fragment, so that back and forward work. */
export const sections = [
  'home',
  'peers',
  'datasets',
  'projects',
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
  /** Of one thing in it: a job of a project; the project of a new job. */
  readonly part: string | undefined;
}

function parse(hash: string): Route {
  const [name, ...parts] = hash.replace(/^#\/?/, '').split('/');
  const section = sections.find((one) => one === name) ?? 'home';
  const [id, part] = parts.map((text) => (text === '' ? undefined : decoded(text)));
  return { section, id, part };
}

/** An address that somebody mistyped names nothing that is there, which its view says. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export const href = (section: Section, ...ids: readonly string[]): string =>
  ['#', section, ...ids.map(encodeURIComponent)].join('/');

export class Router {
  route = $state<Route>(parse(location.hash));

  constructor() {
    addEventListener('hashchange', () => {
      this.route = parse(location.hash);
    });
  }

  go(section: Section, ...ids: readonly string[]): void {
    location.hash = href(section, ...ids);
  }
}
