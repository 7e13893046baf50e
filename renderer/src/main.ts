/** Starts the interface in whatever window it is loaded: a browser tab now, the desktop app's window later. */
import { mount } from 'svelte';
import App from './App.svelte';
import { browserCarrier } from './api/browser-carrier.ts';
import { AppState } from './state/app.svelte.ts';
import './styles/tokens.css';
import './styles/base.css';

const target = document.getElementById('app');
if (target === null) throw new Error('The page has no place for the interface.');
mount(App, { target, props: { app: new AppState(browserCarrier(window)) } });
