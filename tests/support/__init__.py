"""What tests are made with: the independent model, reports, histories."""
