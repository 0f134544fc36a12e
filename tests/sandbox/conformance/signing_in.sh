# Signing in: tokens, scopes, discovery.

point 'a form with client credentials gives a bearer token, with ?tenant= and without'
sign_in all
status_is 200
has '"access_token":"'
has '"token_type":"Bearer"'
get /api/AuthInfo
tenant=$(grep -oE '"tenant_id":"[^"]*"' "$folder/body" | cut -d '"' -f 4)
sign_in all "?tenant=$tenant"
status_is 200

point 'a token lasts 3600 s'
sign_in all
has '"expires_in":3600'

point 'wrong credentials are an invalid_client'
ask POST /auth/token --data 'grant_type=client_credentials' --data 'client_id=nobody' --data 'client_secret=x' --data 'scope=all'
status_is 401
has '"error":"invalid_client"'

point 'a scope that does not exist is an invalid_scope'
sign_in 'all read:actions'
status_is 400
has '"error":"invalid_scope"'

point 'AuthInfo names server and tenant, and needs no token'
token=
get /api/AuthInfo
status_is 200
has '"auth_url":"'
has '"tenant_id":"'

point 'without a token and with a stale one there is a 401'
get /api/Users
status_is 401
token=stale
get /api/Users
status_is 401

point 'a token for reading customers writes none and reads no tickets'
token=$(new_token read:customers)
get /api/Users
status_is 200
post /api/Users '[{"name":"x","site_id":1}]'
status_is 403
get /api/Tickets
status_is 403
token=$(new_token 'edit:tickets read:customers')
get /api/Tickets
status_is 200
get /api/Client
status_is 200

token=$(new_token all)
