// SPDX-License-Identifier: Apache-2.0
//
// The order in which AWS credentials are looked for, and the cache around it:
// static keys, the profile files, web identity, the container endpoint, instance metadata.
//
// Thread safety: as AwsCredentialSource and AwsCredentialProvider.
#pragma once

#include "backends/auth/aws_metadata.h"
#include "backends/auth/aws_profile.h"

namespace lancefs {

// What AWS_PROFILE (else "default") says: roles over other profiles or sources, web identity, SSO,
// credential_process, static keys. The files are read anew for each Fetch.
AwsSourcePtr MakeProfileSource(AwsContextPtr context, std::shared_ptr<AwsInstanceMetadata> metadata);

// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY (or SECRET_ACCESS_KEY), AWS_SESSION_TOKEN.
AwsSourcePtr MakeEnvironmentSource(AwsContextPtr context);

// The first source that is set up. Errors: kUnauthenticated telling what was tried; what a source
// that is set up but fails says.
AwsSourcePtr MakeSourceChain(std::vector<AwsSourcePtr> sources);

// Environment, profile, web identity, container, instance metadata: the order of the AWS SDKs.
AwsSourcePtr MakeDefaultAwsSource(AwsContextPtr context, std::shared_ptr<AwsInstanceMetadata> metadata);

// Keeps what the source brings until 60 seconds before it expires (see credential_cache.h).
// `fetch_in`: where it fetches; a pool of its own for a source that waits for another provider.
std::shared_ptr<AwsCredentialProvider> MakeCachedAwsCredentials(AwsSourcePtr source, Executor* fetch_in = nullptr);

}  // namespace lancefs
