// A certified OpenID provider (oidc-provider) on loopback, for the conformance tests.
//
//   node server.mjs PORT [CONFIGURATION AS JSON]
//
// Port 0 picks a free port. The first line of its output is the issuer. It logs everybody in as alice and
// grants what is asked for, without pages: a client that follows redirects and keeps cookies is enough.
// The configuration overrides the one below; clients adds clients, pad adds as many characters to a JWT, and delay holds each token
// request for as many milliseconds. GET /_control/stats counts the requests by path and the errors by name.
// POST /_control/ttl?AccessToken=60 changes how long what is issued from then on is valid, in seconds.
// /mcp is a protected resource (RFC 9728) whose tokens are JWTs.
// POST /_control/approve?user_code=CODE approves a device.
import http from 'node:http';
import { Provider } from 'oidc-provider';

const [port = '0', overrides = '{}'] = process.argv.slice(2);
const server = http.createServer();
await new Promise((resolve) => server.listen(Number(port), '127.0.0.1', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;
const given = JSON.parse(overrides);

const ttl = { AccessToken: 3600, AuthorizationCode: 60, IdToken: 3600, RefreshToken: 86400, ClientCredentials: 600, DeviceCode: 600,
  Grant: 86400, Interaction: 600, Session: 86400, ...given.ttl };
const claims = { openid: ['sub'], profile: ['name'], email: ['email'] };
const configuration = {
  clients: [
    { client_id: 'native', token_endpoint_auth_method: 'none', application_type: 'native',
      redirect_uris: ['http://127.0.0.1/callback'], grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
      response_types: ['code'] },
    { client_id: 'confidential', client_secret: 's3cret/with+odd chars%', application_type: 'native',
      redirect_uris: ['http://127.0.0.1/callback'], grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'] },
    { client_id: 'machine', client_secret: 'machine-secret-0123456789', redirect_uris: [], response_types: [],
      grant_types: ['client_credentials'] },
    ...(given.clients ?? []),
  ],
  claims,
  clientBasedCORS: () => false,
  cookies: { keys: ['conformance'] },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    introspection: { enabled: true },
    pushedAuthorizationRequests: { enabled: true },
    registration: { enabled: true },
    registrationManagement: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx, resource) => ({
        scope: 'read write', audience: resource, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } },
      }),
    },
    revocation: { enabled: true },
    userinfo: { enabled: true },
  },
  findAccount: (ctx, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: 'Alice Example', email: 'alice@example.com' }),
  }),
  interactions: { url: (ctx, interaction) => `/_interaction/${interaction.uid}` },
  issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
  pkce: { required: () => true },
  rotateRefreshToken: true,
  scopes: ['openid', 'profile', 'email', 'offline_access', 'read', 'write'],
  // A large token has to fit into every store.
  extraTokenClaims: () => (given.pad ? { pad: 'x'.repeat(given.pad) } : {}),
  ttl: Object.fromEntries(Object.keys(ttl).map((name) => [name, () => ttl[name]])),
};
for (const [name, value] of Object.entries(given.features ?? {})) {
  configuration.features[name] = { ...configuration.features[name], ...value };
}

const provider = new Provider(issuer, configuration);
const stats = { paths: {}, errors: {} };
for (const event of ['grant.error', 'authorization.error', 'server_error', 'pushed_authorization_request.error', 'registration_create.error', 'revocation.error']) {
  provider.on(event, (ctx, error) => { stats.errors[error.error ?? error.name] = (stats.errors[error.error ?? error.name] ?? 0) + 1; });
}

async function interact(req, res) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(req, res);
  if (prompt.name === 'login') {
    return provider.interactionFinished(req, res, { login: { accountId: 'alice' } });
  }
  const grant = (grantId && await provider.Grant.find(grantId)) ||
    new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  const { missingOIDCScope = [], missingOIDCClaims = [], missingResourceScopes = {} } = prompt.details;
  if (missingOIDCScope.length) grant.addOIDCScope(missingOIDCScope.join(' '));
  if (missingOIDCClaims.length) grant.addOIDCClaims(missingOIDCClaims);
  for (const [resource, scopes] of Object.entries(missingResourceScopes)) grant.addResourceScope(resource, scopes.join(' '));
  return provider.interactionFinished(req, res, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true });
}

async function approve(userCode) {
  const code = await provider.DeviceCode.findByUserCode(userCode.replaceAll('-', ''), { ignoreExpiration: true });
  const grant = new provider.Grant({ accountId: 'alice', clientId: code.clientId });
  grant.addOIDCScope(code.params.scope ?? 'openid');
  Object.assign(code, { accountId: 'alice', authTime: Math.floor(Date.now() / 1000), claims: {}, grantId: await grant.save(),
    scope: code.params.scope, sessionUid: 'conformance' });
  await code.save();
}

const handle = provider.callback();
server.on('request', async (req, res) => {
  const { pathname, searchParams } = new URL(req.url, issuer);
  if (pathname === '/_control/stats') {
    res.setHeader('Content-Type', 'application/json');
    res.end(JSON.stringify(stats));
    return;
  }
  if (pathname === '/_control/ttl') {
    for (const [name, seconds] of searchParams) ttl[name] = Number(seconds);
    res.end();
    return;
  }
  if (pathname === '/_control/approve') {
    await approve(searchParams.get('user_code')).catch((error) => { res.statusCode = 400; res.write(String(error)); });
    res.end();
    return;
  }
  if (pathname === '/mcp') {
    const known = await provider.AccessToken.find((req.headers.authorization ?? '').replace('Bearer ', ''));
    if (!known) res.setHeader('WWW-Authenticate', `Bearer resource_metadata="${issuer}/.well-known/oauth-protected-resource/mcp", scope="read"`);
    res.statusCode = known ? 200 : 401;
    res.end('{}');
    return;
  }
  if (pathname === '/.well-known/oauth-protected-resource/mcp') {
    res.setHeader('Content-Type', 'application/json');
    res.end(JSON.stringify({ resource: `${issuer}/mcp`, authorization_servers: [issuer] }));
    return;
  }
  const counted = pathname.startsWith('/_interaction/') ? '/_interaction' : pathname;
  stats.paths[counted] = (stats.paths[counted] ?? 0) + 1;
  if (counted === '/_interaction') {
    interact(req, res).catch((error) => { res.statusCode = 500; res.end(String(error)); });
    return;
  }
  if (counted === '/token' && given.delay) await new Promise((resolve) => setTimeout(resolve, given.delay));
  handle(req, res);
});
process.on('SIGTERM', () => process.exit(0));
console.log(issuer);
