'use strict';

// Everything that would leave this server is switched off: fonts, the proxy for
// requests, telemetry, assistants.
Scalar.createApiReference('#reference', {
  sources: [
    { title: 'REST', slug: 'rest', url: '/openapi.json', default: true },
    { title: 'Marti (TAK clients)', slug: 'marti', url: '/openapi/marti.json' },
  ],
  proxyUrl: '',
  withDefaultFonts: false,
  telemetry: false,
  agent: { disabled: true },
  mcp: { disabled: true },
  showDeveloperTools: 'never',
  hideClientButton: true,
  persistAuth: false,
  defaultOpenFirstTag: true,
  documentDownloadType: 'both',
  defaultHttpClient: { targetKey: 'shell', clientKey: 'curl' },
  authentication: { preferredSecurityScheme: 'token' },
  metaData: { title: 'takhost API' },
});
