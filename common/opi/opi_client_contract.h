#pragma once

// What every OpiClient, with the agent behind it, must do. Include it in one file of a test program and say
//   INSTANTIATE_TEST_SUITE_P(Fake, OpiClientContract, ::testing::Values(&MakeHarness));
//   INSTANTIATE_TEST_SUITE_P(Fake, OpiClientRoutingContract, ::testing::Values(&MakeHarness));

#include "common/opi/opi_client_contract_bindings.h"
#include "common/opi/opi_client_contract_chains.h"
#include "common/opi/opi_client_contract_connection.h"
#include "common/opi/opi_client_contract_fixture.h"
#include "common/opi/opi_client_contract_objects.h"
#include "common/opi/opi_client_contract_routing.h"
